//! Requests and answers with `zre pipe` and `zre request`.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use std::process::Stdio;

use serde_json::{Value, json};
use support::{Zre, run, text, zre};

/// Alice, and bob, who takes requests in the group WORKERS.
fn pair(port: u16, arguments: &[&str]) -> (Zre, (Zre, String)) {
    let arguments = [&["--name", "alice"], arguments].concat();
    let (mut alice, _) = Zre::pipe(port, &arguments);
    let worker = worker(port, "bob");
    assert_eq!(alice.event("JOIN")["peer"], worker.1);
    (alice, worker)
}

fn worker(port: u16, name: &str) -> (Zre, String) {
    let (mut worker, id) = Zre::pipe(port, &["--name", name, "--group", "WORKERS", "--serve"]);
    worker.event("ENTER");
    (worker, id)
}

fn reply(request: &Value, text: &str) -> String {
    json!({"do": "reply", "request": request["request"], "text": text}).to_string()
}

fn answer_to(pipe: &mut Zre, id: &str) -> Value {
    let line = pipe.line_with(&format!(r#""id":"{id}"}}"#));
    serde_json::from_str(&line).expect("it is JSON")
}

#[test]
fn a_request_is_answered_by_the_peer() {
    let (mut alice, (mut bob, bob_id)) = pair(25860, &[]);
    alice.send(r#"{"do":"request","peer":"bob","text":"2+2","id":7}"#);
    let request = bob.event("REQUEST");
    assert_eq!(request["name"], "alice");
    assert_eq!(
        (&request["frames"], &request["text"]),
        (&json!(["322b32"]), &json!("2+2"))
    );
    let mut replied: Value = serde_json::from_str(&reply(&request, "4")).expect("it is JSON");
    replied["id"] = json!("r");
    bob.send(&replied.to_string());
    let answer = json!({
        "event": "ANSWER", "peer": bob_id, "name": "bob", "frames": ["34"], "text": "4", "id": 7
    });
    assert_eq!(alice.event("ANSWER"), answer);
    assert_eq!(answer_to(&mut bob, "r"), json!({"ok": true, "id": "r"}));
    bob.send(&replied.to_string());
    let error = bob.answer("error")["error"].to_string();
    assert!(
        error.contains("there is no open request 1: it has been replied to"),
        "{error}"
    );
}

#[test]
fn each_request_without_an_answer_has_an_error() {
    let (mut alice, (mut bob, bob_id)) = pair(25861, &[]);
    let error = |line: u64, said: &str, id: &str| {
        let error = format!("line {line}: {said}");
        json!({"error": error, "line": line, "id": id})
    };
    alice.send(r#"{"do":"request","peer":"bob","text":"x","id":"refused"}"#);
    let request = bob.event("REQUEST");
    bob.send(&json!({"do": "refuse", "request": request["request"]}).to_string());
    let refused = answer_to(&mut alice, "refused");
    let said =
        format!("peer {bob_id} refuses the request: its log may say why, or ask another peer");
    assert_eq!(refused, error(1, &said, "refused"));

    alice.send(r#"{"do":"request","peer":"bob","text":"x","timeout":"10ms","id":"late"}"#);
    let late = answer_to(&mut alice, "late")["error"].to_string();
    assert!(
        late.contains("has not answered the request in time"),
        "{late}"
    );

    alice.send(r#"{"do":"request","peer":"carol","text":"x","id":"unknown"}"#);
    let unknown = answer_to(&mut alice, "unknown");
    assert_eq!(
        unknown,
        error(3, "there is no peer with the name 'carol'", "unknown")
    );
    alice.send(r#"{"do":"request","group":"NOBODY","text":"x","id":"nobody"}"#);
    let nobody = answer_to(&mut alice, "nobody");
    assert_eq!(
        nobody,
        error(4, "nobody is in the group 'NOBODY'", "nobody")
    );

    alice.send(r#"{"do":"request","peer":"bob","text":"x","id":"gone"}"#);
    bob.line_with(r#""request":3"#);
    drop(bob);
    let gone = answer_to(&mut alice, "gone")["error"].to_string();
    assert!(gone.contains("has gone before it answered"), "{gone}");
}

#[test]
fn one_member_of_a_group_is_asked_or_all() {
    let (mut alice, (mut bob, bob_id)) = pair(25862, &[]);
    let (mut carol, carol_id) = worker(25862, "carol");
    assert_eq!(alice.event("JOIN")["peer"], carol_id);
    for id in ["a", "b"] {
        let any = json!({"do": "request", "group": "WORKERS", "text": "x", "id": id});
        alice.send(&any.to_string());
    }
    // The one that has none to do is asked.
    let requests = [bob.event("REQUEST"), carol.event("REQUEST")];
    bob.send(&reply(&requests[0], "bob's"));
    carol.send(&reply(&requests[1], "carol's"));
    let mut asked = ["a", "b"].map(|id| answer_to(&mut alice, id));
    asked.sort_by_key(|answer| answer["name"].to_string());
    for (answer, name, id) in [(&asked[0], "bob", &bob_id), (&asked[1], "carol", &carol_id)] {
        assert_eq!(answer["text"], format!("{name}'s"));
        assert_eq!(
            (&answer["peer"], &answer["group"]),
            (&json!(id), &json!("WORKERS"))
        );
    }

    alice.send(r#"{"do":"request","group":"WORKERS","all":true,"text":"x","id":"all"}"#);
    let request = bob.event("REQUEST");
    bob.send(&reply(&request, "mine"));
    let answer = answer_to(&mut alice, "all");
    assert_eq!(
        (&answer["event"], &answer["text"]),
        (&json!("ANSWER"), &json!("mine"))
    );
    carol.event("REQUEST");
    carol.close_input();
    let failed = answer_to(&mut alice, "all");
    assert_eq!(
        (&failed["peer"], &failed["line"]),
        (&json!(carol_id), &json!(3))
    );
    assert!(failed["error"].is_string());
    assert_eq!(
        answer_to(&mut alice, "all"),
        json!({"ok": true, "members": 2, "id": "all"})
    );
}

#[test]
fn who_takes_no_requests_is_told_how() {
    let (mut alice, (mut bob, _)) = pair(25863, &[]);
    alice.send(r#"{"do":"reply","request":1,"text":"x"}"#);
    let error = alice.answer("error");
    let said = "line 1: this pipe takes no requests: start it with --serve";
    assert_eq!(error["error"], said);
    bob.send(r#"{"do":"request","peer":"alice","text":"x","timeout":"100ms","id":"none"}"#);
    let whisper = alice.event("WHISPER");
    assert_eq!(whisper["frames"][1], "78");
    answer_to(&mut bob, "none");
}

#[test]
fn the_end_of_the_input_waits_for_answers_and_a_stop_gives_them_up() {
    let (mut alice, (mut bob, _)) = pair(25864, &["--linger", "200ms"]);
    let (mut carol, _) = Zre::pipe(25864, &["--name", "carol"]);
    carol.event("JOIN");
    for (pipe, end) in [(&mut alice, Some("stop")), (&mut carol, None)] {
        pipe.send(r#"{"do":"request","peer":"bob","text":"x","id":1}"#);
        match end {
            Some(_) => pipe.send(r#"{"do":"stop"}"#),
            None => pipe.close_input(),
        }
    }
    let (code, rest) = alice.finish();
    let given_up = r#"{"error":"line 1: not answered, as the node stops","line":1,"id":1}"#;
    assert_eq!(code, Some(0));
    assert!(rest.contains(&given_up.to_owned()), "{rest:?}");
    let asks_last = bob.line(|line| line.contains("REQUEST") && line.contains("carol"));
    let request: Value = serde_json::from_str(&asks_last).expect("it is JSON");
    bob.send(&reply(&request, "at last"));
    let (code, rest) = carol.finish();
    assert_eq!(code, Some(0));
    assert!(
        rest.iter().any(|line| line.contains(r#""text":"at last""#)),
        "{rest:?}"
    );
}

#[test]
fn more_requests_than_may_be_open_wait_for_their_turn() {
    // Those that are not read yet fit into the pipe.
    const REQUESTS: usize = 1500;
    let (mut alice, (mut bob, _)) = pair(25865, &[]);
    for id in 0..REQUESTS {
        let request = json!({"do": "request", "peer": "bob", "text": "x", "id": id});
        alice.send(&request.to_string());
    }
    for _ in 0..REQUESTS {
        let request = bob.event("REQUEST");
        bob.send(&reply(&request, "y"));
    }
    let mut ids: Vec<_> = (0..REQUESTS)
        .map(|_| alice.event("ANSWER")["id"].as_u64())
        .collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq((0..REQUESTS as u64).map(Some)));
}

#[test]
fn who_serves_is_not_held_up_by_requests_of_its_own() {
    let (mut alice, _) = Zre::pipe(25866, &["--name", "alice", "--serve"]);
    let (mut bob, _) = Zre::pipe(25866, &["--name", "bob"]);
    alice.event("ENTER");
    bob.event("ENTER");
    for id in 0..1024 {
        let request = json!({
            "do": "request", "peer": "bob", "text": "x", "timeout": "1m", "id": id
        });
        alice.send(&request.to_string());
    }
    alice.send(r#"{"do":"request","peer":"bob","text":"x","id":"one too many"}"#);
    let error = answer_to(&mut alice, "one too many")["error"].to_string();
    assert!(
        error.contains("1024 requests wait for their answers"),
        "{error}"
    );
    bob.send(r#"{"do":"request","peer":"alice","text":"x","id":"served"}"#);
    let request = alice.event("REQUEST");
    alice.send(&reply(&request, "y"));
    assert_eq!(answer_to(&mut bob, "served")["text"], "y");
}

/// Runs `zre request` beside a peer that replies to each request with this.
fn ask(
    port: u16,
    arguments: &[&str],
    workers: &mut [(&mut Zre, &str)],
) -> (Option<i32>, Vec<String>) {
    let request = Zre::start(&mut zre("request", port, arguments));
    for (worker, text) in workers {
        let asked = worker.event("REQUEST");
        assert_eq!(asked["text"], "two words");
        worker.send(&reply(&asked, text));
    }
    request.finish()
}

#[test]
fn one_question_prints_its_answer() {
    let (mut bob, bob_id) = Zre::pipe(25867, &["--name", "bob", "--serve", "--group", "WORKERS"]);
    let answered = |code, line: &str| (Some(code), vec![line.to_owned()]);
    let asked = ask(25867, &["bob", "two", "words"], &mut [(&mut bob, "yes")]);
    assert_eq!(asked, answered(0, "yes"));
    let in_group = ["--group", "WORKERS", "two", "words", "--json"];
    let (code, lines) = ask(25867, &in_group, &mut [(&mut bob, "yes")]);
    let answer = json!({
        "event": "ANSWER", "peer": bob_id, "name": "bob", "group": "WORKERS",
        "frames": ["796573"], "text": "yes",
    });
    let line: Value = serde_json::from_str(&lines.concat()).expect("it is JSON");
    assert_eq!((code, line), (Some(0), answer));
    // An answer that is no text comes as it is.
    let request = zre("request", 25867, &["bob", "two words"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("zre can be run");
    let asked = bob.event("REQUEST");
    let reply = json!({"do": "reply", "request": asked["request"], "frames": ["ff00", "0a"]});
    bob.send(&reply.to_string());
    let output = request.wait_with_output().expect("it is our child");
    assert_eq!(output.stdout, b"\xff\0\n");
}

#[test]
fn all_members_answer_a_question() {
    let (mut bob, _) = Zre::pipe(25868, &["--name", "bob", "--serve", "--group", "WORKERS"]);
    let (mut carol, _) = Zre::pipe(25868, &["--name", "carol", "--serve", "--group", "WORKERS"]);
    let all = [
        "--group",
        "WORKERS",
        "--all",
        "two words",
        "--timeout",
        "1s",
    ];
    let workers = &mut [(&mut bob, "mine"), (&mut carol, "hers")];
    let (code, mut lines) = ask(25868, &all, workers);
    lines.sort();
    let expected = ["bob: mine", "carol: hers"].map(str::to_owned).to_vec();
    assert_eq!((code, lines), (Some(0), expected));
    let mut request = Zre::start(zre("request", 25868, &all).stderr(Stdio::piped()));
    let said = request.log();
    let asked = bob.event("REQUEST");
    bob.send(&reply(&asked, "mine"));
    assert_eq!(request.finish(), (Some(1), vec!["bob: mine".to_owned()]));
    said.count_until(
        "error: carol has not answered within 1s: --timeout waits longer",
        "",
    );
}

#[test]
fn a_question_without_an_answer_fails_and_says_why() {
    let failed = |arguments: &[&str], part: &str| {
        let output = run(&mut zre("request", 25869, arguments));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(part), "{said}");
    };
    failed(
        &["bob", "x", "--wait", "200ms"],
        "no peer with the name 'bob'",
    );
    failed(
        &["-g", "G", "x", "--wait", "200ms"],
        "nobody is in the group 'G'",
    );
    let (mut bob, _) = Zre::pipe(25869, &["--name", "bob", "--group", "G"]);
    let late = "bob has not answered within 100ms: --timeout waits longer";
    failed(&["bob", "x", "--timeout", "100ms"], late);
    failed(&["-g", "G", "x", "--timeout", "100ms"], late);
    bob.close_input();
    assert_eq!(bob.finish().0, Some(0));
    let (mut bob, _) = Zre::pipe(25869, &["--name", "bob", "--serve"]);
    let mut request = zre("request", 25869, &["bob", "x"]);
    let mut request = Zre::start(request.stderr(Stdio::piped()));
    let said = request.log();
    let asked = bob.event("REQUEST");
    bob.send(&json!({"do": "refuse", "request": asked["request"]}).to_string());
    said.count_until("error: bob refuses the request", "");
    assert_eq!(request.finish(), (Some(1), vec![]));
    let wrong = run(&mut zre("request", 25869, &[]));
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("write a PEER, or --group GROUP"));
}
