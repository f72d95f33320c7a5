//! Looking up host names beside the driver, which is not to wait for them.

use std::{
    io,
    net::SocketAddr,
    sync::mpsc::{self, Receiver, Sender, SyncSender},
    task::Waker,
    thread,
};

use zre_net::{
    Lookup,
    core::{LinkId, proto::Endpoint},
};

/// More wait for no name; the engine asks again later.
const MOST_QUESTIONS: usize = 64;

type Answer = (LinkId, io::Result<SocketAddr>);

/// One thread for all names, from the first that is to be looked up; most nodes never need it.
pub(crate) struct Lookups {
    questions: Option<SyncSender<(LinkId, Endpoint)>>,
    answers: (Sender<Answer>, Receiver<Answer>),
    waker: Waker,
}

impl Lookups {
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            questions: None,
            answers: mpsc::channel(),
            waker,
        }
    }

    pub(crate) fn ask(&mut self, link: LinkId, endpoint: &Endpoint) {
        if self.questions.is_none() {
            self.questions = self.start_thread().ok();
        }
        let question = (link, endpoint.clone());
        let asked = self.questions.as_ref().map(|to| to.try_send(question));
        if !matches!(asked, Some(Ok(()))) {
            let no_thread = io::Error::other("too many host names to look up");
            // The receiver is in `self`.
            let _ = self.answers.0.send((link, Err(no_thread)));
            self.waker.wake_by_ref();
        }
    }

    pub(crate) fn next_answer(&mut self) -> Option<Answer> {
        self.answers.1.try_recv().ok()
    }

    fn start_thread(&self) -> io::Result<SyncSender<(LinkId, Endpoint)>> {
        let (questions, asked) = mpsc::sync_channel::<(LinkId, Endpoint)>(MOST_QUESTIONS);
        let answers = self.answers.0.clone();
        let waker = self.waker.clone();
        let name = "zre-lookup".into();
        thread::Builder::new().name(name).spawn(move || {
            for (link, endpoint) in asked {
                let found = Lookup::of(&endpoint).and_then(Lookup::run);
                if answers.send((link, found)).is_err() {
                    return;
                }
                waker.wake_by_ref();
            }
        })?;
        Ok(questions)
    }
}
