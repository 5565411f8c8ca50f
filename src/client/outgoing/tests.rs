//! What is written to which server, and what callers hear.

use super::*;

type Outcome = oneshot::Receiver<Result<Ordered, ClientError>>;

const PLACE: Ordered = Ordered { gseq: 9, view: 1 };

fn accept(outgoing: &mut Outgoing, payload: &str) -> Result<Outcome, ClientError> {
    let (answer, outcome) = oneshot::channel();
    outgoing.accept(answer, payload.as_bytes(), None)?;
    Ok(outcome)
}

fn connect(outgoing: &mut Outgoing, line_limit: usize) {
    let (session, message_limit) = (None, 1000);
    outgoing.connected(&HelloReply {
        protocol: 1,
        line_limit,
        message_limit,
        session,
        sessions: true,
        ..HelloReply::default()
    });
}

/// Everything there is to write, shortened: `1a` is message 1 with payload a, `?` a status, and a session in
/// parentheses.
fn write(outgoing: &mut Outgoing) -> String {
    let mut all = String::new();
    while !outgoing.unwritten().is_empty() {
        let bytes = outgoing.unwritten().to_vec();
        outgoing.advance(bytes.len());
        all += std::str::from_utf8(&bytes).expect("text");
    }
    let shorten = |line: &str| match serde_json::from_str(line).expect("a request") {
        Request::Send(send) => format!("{}{}", send.number, send.payload.expect("text").0),
        Request::Hello(hello) => format!("({})", hello.session.expect("a session").0),
        _ => "?".to_owned(),
    };
    all.lines().map(shorten).collect::<Vec<_>>().join(" ")
}

/// Three messages, written in session s.
fn three() -> (Outgoing, Vec<Outcome>) {
    let mut outgoing = Outgoing::new();
    connect(&mut outgoing, 100);
    let outcomes = ["a", "b", "c"].map(|payload| accept(&mut outgoing, payload).expect("fits")).into();
    assert_eq!(write(&mut outgoing), "(new)");
    outgoing.opened("s".to_owned());
    assert_eq!(write(&mut outgoing), "1a 2b 3c");
    (outgoing, outcomes)
}

#[test]
fn what_has_no_answer_is_written_to_the_next_server_with_the_same_number() {
    let (mut outgoing, mut outcomes) = three();
    outgoing.settle(1, Ok(PLACE));
    assert_eq!(outcomes[0].try_recv(), Ok(Ok(PLACE)));
    outgoing.lost();
    let (answer, _status) = oneshot::channel();
    outgoing.ask(answer);
    connect(&mut outgoing, 100);
    assert_eq!(write(&mut outgoing), "? (s) 2b 3c");
    outgoing.settle(3, Ok(PLACE));
    outgoing.lost();
    outcomes.push(accept(&mut outgoing, "d").expect("fits"));
    connect(&mut outgoing, 100);
    // What is answered already is repeated if something before it is not: the group passes it.
    assert_eq!(write(&mut outgoing), "? (s) 2b 3c 4d");
    (2..=4).for_each(|number| outgoing.settle(number, Ok(PLACE)));
    assert!(outcomes[1..].iter_mut().all(|outcome| outcome.try_recv() == Ok(Ok(PLACE))));
    assert!(outgoing.messages.is_empty() && outgoing.lines.is_empty());
}

#[test]
fn a_session_that_is_asked_for_at_a_lost_server_is_asked_for_anew() {
    let mut outgoing = Outgoing::new();
    connect(&mut outgoing, 100);
    let _outcome = accept(&mut outgoing, "a");
    assert_eq!(write(&mut outgoing), "(new)");
    outgoing.lost();
    connect(&mut outgoing, 100);
    assert_eq!(write(&mut outgoing), "(new)");
}

#[test]
fn what_is_certain_moves_to_the_next_session_and_the_rest_is_given_up() {
    let (mut outgoing, mut outcomes) = three();
    outgoing.lost();
    connect(&mut outgoing, 100);
    outcomes.push(accept(&mut outgoing, "d").expect("fits"));
    assert_eq!(write(&mut outgoing), "(s) 1a 2b 3c 4d");
    outgoing.settle(1, Ok(PLACE));
    outgoing.expired(2);
    outcomes.push(accept(&mut outgoing, "e").expect("fits"));
    outgoing.expired(3);
    outgoing.renew();
    assert_eq!(write(&mut outgoing), "", "4 may still be ordered");
    outgoing.expired(4);
    outgoing.renew();
    for number in [1, 2] {
        assert_eq!(outcomes[number].try_recv(), Ok(Err(ClientError::SessionExpired)));
    }
    assert_eq!(write(&mut outgoing), "(new)");
    outgoing.opened("t".to_owned());
    assert_eq!(write(&mut outgoing), "1d 2e");
    assert!(outcomes[3].try_recv().is_err() && outcomes[4].try_recv().is_err());
}

#[test]
fn a_message_whose_place_is_forgotten_is_ordered_and_the_session_goes_on() {
    let (mut outgoing, mut outcomes) = three();
    outgoing.settle(1, Err(ClientError::PlaceForgotten));
    outgoing.turned_away("full".to_owned());
    outgoing.renew();
    assert_eq!(outcomes[0].try_recv(), Ok(Err(ClientError::PlaceForgotten)));
    assert_eq!((outgoing.take_refusal(), outgoing.session), (None, Session::Open("s".to_owned())));
}

#[test]
fn a_server_that_leaves_makes_nothing_uncertain_and_a_refusal_for_ever_ends_the_session() {
    let (mut outgoing, mut outcomes) = three();
    assert!((1..=3).all(|number| outgoing.refused(number)));
    outgoing.lost();
    connect(&mut outgoing, 100);
    assert_eq!(write(&mut outgoing), "(s) 1a 2b 3c");
    let error = ClientError::NotOrdered { reason: "no".into() };
    outgoing.refused_for_ever(1, error.clone());
    assert!(!outgoing.refused(2) && !outgoing.refused(3));
    outgoing.renew();
    assert_eq!(outcomes[0].try_recv(), Ok(Err(error)));
    assert_eq!(write(&mut outgoing), "(new)");
    outgoing.opened("t".to_owned());
    assert_eq!(write(&mut outgoing), "1b 2c");
}

#[test]
fn without_any_server_only_what_was_sent_is_unknown() {
    let (mut outgoing, mut outcomes) = three();
    outgoing.lost();
    outcomes.push(accept(&mut outgoing, "d").expect("fits"));
    let error = ClientError::NoServer { tried: "all".into() };
    outgoing.give_up(&error);
    assert_eq!(outcomes[2].try_recv(), Ok(Err(ClientError::Unknown)));
    assert_eq!(outcomes[3].try_recv(), Ok(Err(error)));
    assert!(!outgoing.is_busy() && outgoing.unwritten().is_empty());
    let _late = accept(&mut outgoing, "e");
    connect(&mut outgoing, 100);
    assert_eq!(write(&mut outgoing), "(new)");
    outgoing.opened("t".to_owned());
    assert_eq!(write(&mut outgoing), "1e");
}

#[test]
fn when_the_time_is_over_only_what_was_written_may_be_ordered() {
    let (mut outgoing, mut outcomes) = three();
    outcomes.push(accept(&mut outgoing, "d").expect("fits"));
    outgoing.advance(5);
    outgoing.settle(1, Ok(PLACE));
    outgoing.refused(2);
    outgoing.time_out();
    let told: Vec<_> = outcomes.iter_mut().map(|outcome| outcome.try_recv().expect("told")).collect();
    assert_eq!((&told[0], &told[2]), (&Ok(PLACE), &Err(ClientError::Unknown)));
    let not_sent = |told: &Result<Ordered, ClientError>| matches!(told, Err(ClientError::NotOrdered { .. }));
    assert!(not_sent(&told[1]) && not_sent(&told[3]), "one is refused, the line of the other has no end");
    assert!(outgoing.abandoned && !outgoing.is_busy() && outgoing.unwritten().is_empty());
}

#[test]
fn a_line_over_the_limit_is_refused_at_once_or_when_the_limit_is_known() {
    let mut outgoing = Outgoing::new();
    let mut outcomes = ["ab", "abcdefgh", "c"].map(|payload| accept(&mut outgoing, payload).expect("no limit yet"));
    let len = r#"{"send":{"number":2,"payload":"abcdefgh"}}"#.len();
    connect(&mut outgoing, len - 1);
    assert_eq!(write(&mut outgoing), "(new)");
    outgoing.opened("s".to_owned());
    assert_eq!(write(&mut outgoing), "1ab 2c");
    let error = ClientError::TooLarge { len, limit: len - 1 };
    assert_eq!(outcomes[1].try_recv(), Ok(Err(error.clone())));
    assert_eq!(accept(&mut outgoing, "abcdefgh").expect_err("too large"), error);
    let error = accept(&mut outgoing, &"x".repeat(1001)).expect_err("over the group's limit");
    assert!(error.to_string().contains("1001") && error.to_string().contains("1000"), "{error}");
}

#[test]
fn a_line_that_is_begun_is_ended_before_anything_else() {
    let (mut outgoing, mut outcomes) = three();
    outcomes.push(accept(&mut outgoing, "d").expect("fits"));
    outgoing.advance(5);
    let (answer, _status) = oneshot::channel();
    outgoing.ask(answer);
    assert!(outgoing.unwritten().starts_with(b"d\":"), "{:?}", outgoing.unwritten());
    (1..=3).for_each(|number| outgoing.expired(number));
    outgoing.renew();
    assert!(outgoing.unwritten().starts_with(b"d\":"));
    let rest = outgoing.unwritten().len();
    outgoing.advance(rest);
    outgoing.expired(4);
    outgoing.renew();
    assert_eq!(write(&mut outgoing), "? (new)");
    outgoing.opened("t".to_owned());
    assert_eq!(write(&mut outgoing), "1a 2b 3c 4d");
}

/// Of two lineages with one past, each has messages that the other one lacks.
#[test]
fn a_session_is_lost_where_what_was_acknowledged_last_is_missing() {
    let (mut outgoing, mut outcomes) = three();
    let (here, elsewhere) = (Gid(7), Gid(8));
    outgoing.is_in(here);
    outgoing.acknowledged(1, here);
    outgoing.settle(1, Ok(PLACE));
    // A server may refuse for many reasons.
    assert!((0..9).all(|_| !outgoing.is_lost_here(2)));
    outgoing.lost();
    connect(&mut outgoing, 100);
    assert_eq!(write(&mut outgoing), "(s) 2b 3c");
    outgoing.is_in(elsewhere);
    // What comes late of an older one says nothing of the highest.
    outgoing.acknowledged(0, elsewhere);
    assert!(!outgoing.is_lost_here(2) && !outgoing.is_lost_here(2));
    assert!(!outgoing.is_lost_here(3), "it waits for the one before");
    assert!(!outgoing.is_lost_here(2) && !outgoing.is_lost_here(2) && outgoing.is_lost_here(2));
    outgoing.expired(2);
    outgoing.expired(3);
    assert_eq!(outcomes[1].try_recv(), Ok(Err(ClientError::SessionExpired)), "it may stand in the other one");
    // What comes next begins anew, and is at home here.
    outgoing.renew();
    outgoing.acknowledged(1, elsewhere);
    assert!((0..9).all(|_| !outgoing.is_lost_here(1)));
}
