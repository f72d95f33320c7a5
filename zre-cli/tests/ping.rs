//! `zre ping`.

mod support;

use support::{Zre, run, text, zre};

#[test]
fn a_node_is_shown_with_all_that_it_says_of_itself() {
    let arguments = [
        "--name",
        "printer\u{7}",
        "--header",
        "X-ROLE=print",
        "--group",
        "OFFICE",
    ];
    let (_printer, uuid) = Zre::pipe(25640, &arguments);
    let output = run(&mut zre("ping", 25640, &["--wait", "500ms"]));
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout);
    let [first, header, group] = shown.lines().collect::<Vec<_>>()[..] else {
        panic!("{shown}");
    };
    assert!(first.starts_with(r"printer\u{7}  "), "{first}");
    assert!(first.contains(&uuid), "{first}");
    assert!(first.contains("tcp://127.0.0.1:"), "{first}");
    assert!(first.ends_with(" ms"), "{first}");
    assert_eq!(header, "    header X-ROLE=print");
    assert_eq!(group, "    group OFFICE");
}

#[test]
fn nobody_found_is_exit_code_1() {
    let output = run(&mut zre("ping", 25641, &["--wait", "100ms"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert!(said.contains("found no node on lo"), "{said}");
    assert!(said.contains("port 25641"), "{said}");
}

#[cfg(unix)]
#[test]
fn watching_shows_who_comes_and_goes_until_interrupted() {
    let mut watch = Zre::start(&mut zre("ping", 25642, &["--watch"]));
    let (mut bob, bob_id) = Zre::pipe(25642, &["--name", "bob", "--group", "CHAT"]);
    assert!(watch.line_with("+ bob").contains(&bob_id));
    watch.line_with("bob  joined CHAT");
    assert!(watch.line_with(" ms").starts_with("  bob  "));
    bob.close_input();
    watch.line_with("- bob");
    watch.interrupt();
    assert_eq!(watch.finish().0, Some(0));
    assert_eq!(bob.finish().0, Some(0));
}
