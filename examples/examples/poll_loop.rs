//! A node and standard input in one `poll(2)` loop: shouts each line typed, prints each event.
//!
//! `zre-blocking` runs the node on a thread of its own. [`Node::readiness`] returns a descriptor
//! that is readable while events wait. Any event loop that can watch a descriptor (`poll`, `epoll`,
//! GLib, Qt) can work with a node this way, and the program blocks only in its own loop. End it
//! with Ctrl-D.

#![forbid(unsafe_code)]

#[cfg(unix)]
mod unix {
    use std::{
        error::Error,
        io,
        time::{Duration, Instant},
    };

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        io::Errno,
    };
    use zre_blocking::{Event, Node};
    use zre_examples::Arguments;

    const GROUP: &str = "CHAT";

    pub(crate) fn main() -> Result<(), Box<dyn Error>> {
        let arguments = Arguments::read(&[])?;
        let end = Instant::now() + arguments.time()?;
        let node = Node::builder(arguments.name("poller"))
            .interface(arguments.interface())
            .port(arguments.port()?)
            .join(GROUP)
            .start()?;
        println!("{} listens at {}", node.name(), node.endpoint());
        run(&node, end)?;
        node.stop();
        print_events(&node);
        Ok(())
    }

    /// Runs until the input ends, or until the time is over.
    fn run(node: &Node, end: Instant) -> Result<(), Box<dyn Error>> {
        let events = node.readiness()?;
        let stdin = io::stdin();
        let mut typed = Lines::default();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let mut watched = [
                PollFd::new(&stdin, PollFlags::IN),
                PollFd::new(&events, PollFlags::IN),
            ];
            match poll(&mut watched, Some(&timespec(left)?)) {
                Err(Errno::INTR) => continue,
                result => result?,
            };
            let [stdin_ready, events_ready] = watched.map(|watched| !watched.revents().is_empty());
            if events_ready {
                print_events(node);
            }
            if stdin_ready {
                let input_goes_on = typed.read(&stdin)?;
                for line in typed.take_whole() {
                    shout(node, &line)?;
                }
                if !input_goes_on {
                    return Ok(());
                }
            }
        }
        println!("the time is over");
        Ok(())
    }

    fn timespec(time: Duration) -> Result<Timespec, Box<dyn Error>> {
        Ok(time.try_into()?)
    }

    /// The descriptor stays readable until there are no more events.
    fn print_events(node: &Node) {
        while let Some(event) = node.try_recv() {
            match event {
                Event::Enter { name, .. } => println!("{name} is here"),
                Event::Join { name, group, .. } => println!("{name} joins {group}"),
                Event::Shout { name, content, .. } => println!("{name} says: {content}"),
                Event::Exit { name, reason, .. } => println!("{name} is gone: {reason}"),
                Event::Stop { .. } => println!("stopped"),
                _ => {}
            }
        }
    }

    /// Shouts without waiting. `try_shout` is refused while too much waits for a member. A program
    /// can try again later; this one tells the user.
    fn shout(node: &Node, line: &str) -> Result<(), zre_blocking::Error> {
        match node.try_shout(GROUP, line) {
            Ok(members) => println!("sent to {members}"),
            Err(zre_blocking::Error::Full(peer)) => println!("not sent, {peer} is too slow"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What was read from standard input. `BufRead` is no use here: `poll` does not see the lines
    /// that it holds in its buffer.
    #[derive(Default)]
    struct Lines(Vec<u8>);

    impl Lines {
        /// Reads once; `false` at the end of the input.
        fn read(&mut self, input: &io::Stdin) -> io::Result<bool> {
            let mut buffer = [0; 4096];
            let count = match rustix::io::read(input, &mut buffer) {
                Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
                result => result?,
            };
            self.0.extend(buffer.iter().take(count));
            if count == 0 && !self.0.is_empty() {
                self.0.push(b'\n');
            }
            Ok(count > 0)
        }

        fn take_whole(&mut self) -> Vec<String> {
            let end = self.0.iter().rposition(|byte| *byte == b'\n');
            let whole: Vec<u8> = self.0.drain(..end.map_or(0, |end| end + 1)).collect();
            let text = String::from_utf8_lossy(&whole);
            text.lines().map(str::to_owned).collect()
        }
    }
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    unix::main()
}

#[cfg(not(unix))]
fn main() {
    println!("this program needs poll(2); on Windows, watch the node's socket with WSAPoll");
}
