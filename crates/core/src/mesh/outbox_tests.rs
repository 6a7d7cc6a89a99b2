//! What the writing task finds, what it is woken for, and what a borrower of its sink leaves to it.

use super::*;

fn send(payload: &[u8]) -> Frame<'_> {
    Frame::Send { target: 1, payload }
}

fn sink() -> Sink {
    Box::new(tokio::io::sink())
}

#[test]
fn signals_go_before_messages_and_messages_keep_their_order() {
    let outbox = Outbox::new(1 << 20, 1 << 20);
    let (mut sink, mut signals, mut segments) = (Some(sink()), Vec::new(), Vec::new());
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Nothing);
    for payload in [b"one", b"two"] {
        outbox.push(&send(payload), 3).unwrap();
    }
    assert!(outbox.signal(&Frame::Ping { nonce: 7 }));
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Some);
    assert_eq!(Frame::parse(&signals, 10), Ok(Some((Frame::Ping { nonce: 7 }, signals.len()))));
    let (first, length) = Frame::parse(&segments[0], 10).unwrap().unwrap();
    assert_eq!(first, send(b"one"));
    assert_eq!(Frame::parse(&segments[0][length..], 10).unwrap().unwrap().0, send(b"two"));
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Nothing);
}

#[test]
fn a_peer_that_takes_no_more_refuses_until_it_gives_credit_back() {
    let outbox = Outbox::new(1000, 500);
    assert_eq!(outbox.push(&send(&[0; 501]), 501), Err(Refused::TooLarge));
    while outbox.push(&send(b""), 0).is_ok() {}
    assert_eq!(outbox.push(&send(b""), 0), Err(Refused::Full));
    assert!(!outbox.wait_for_room(Duration::from_millis(1)));
    outbox.confirm(128, 1).unwrap();
    assert!(outbox.wait_for_room(Duration::MAX));
    assert_eq!(outbox.push(&send(&[0; 300]), 300), Err(Refused::Full));
    assert!(!outbox.wait_for_room(Duration::from_millis(1)));
    assert_eq!(outbox.push(&send(b""), 0), Ok(()));
    let (unconfirmed, unwritten) = outbox.close();
    assert_eq!((unconfirmed, unwritten.len()), (7, 1));
    assert_eq!(outbox.push(&send(b""), 0), Err(Refused::Closed));
    assert!(outbox.wait_for_room(Duration::MAX));
}

#[test]
fn who_must_not_wait_is_called_when_there_is_room_or_nothing_goes_any_more() {
    let outbox = Outbox::new(1000, 1000);
    let (tell, told) = std::sync::mpsc::channel();
    let call = |word: &'static str| {
        let tell = tell.clone();
        outbox.when_room(Box::new(move || tell.send(word).unwrap()));
    };
    call("at once");
    assert_eq!(told.try_recv(), Ok("at once"));
    outbox.push(&send(&[0; 100]), 100).unwrap();
    assert_eq!(outbox.push(&send(&[0; 800]), 800), Err(Refused::Full));
    call("when all is given back");
    assert!(told.try_recv().is_err());
    outbox.confirm(1, 1).unwrap();
    assert!(told.try_recv().is_err());
    outbox.confirm(228, 1).unwrap();
    assert_eq!(told.try_recv(), Ok("when all is given back"));
    outbox.push(&send(&[0; 800]), 800).unwrap();
    assert_eq!(outbox.push(&send(&[0; 800]), 800), Err(Refused::Full));
    call("at the end");
    outbox.close();
    assert_eq!(told.try_recv(), Ok("at the end"));
    call("after the end");
    assert_eq!(told.try_recv(), Ok("after the end"));
}

#[test]
fn what_is_there_is_written_before_the_last_words() {
    let outbox = Outbox::new(1000, 500);
    let (mut sink, mut signals, mut segments) = (Some(sink()), Vec::new(), Vec::new());
    outbox.push(&send(b"one"), 3).unwrap();
    outbox.finish(&Frame::Goodbye { message: "bye" });
    assert_eq!(outbox.push(&send(b"two"), 3), Err(Refused::Closed));
    assert!(!outbox.signal(&Frame::Ping { nonce: 7 }));
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Some);
    assert_eq!(Frame::parse(&segments[0], 10).unwrap().unwrap().0, send(b"one"));
    assert_eq!(Frame::parse(&segments[1], 10).unwrap().unwrap().0, Frame::Goodbye { message: "bye" });
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Over);
}

#[test]
fn a_peer_that_reads_no_signals_is_let_go() {
    let outbox = Outbox::new(1000, 500);
    let pings = (0..u64::MAX).take_while(|nonce| outbox.signal(&Frame::Ping { nonce: *nonce })).count();
    assert!(pings * 13 > SIGNALS_MAX && pings * 13 < SIGNALS_MAX + 100);
    assert_eq!(outbox.take(&mut Some(sink()), &mut Vec::new(), &mut Vec::new()), Taken::Over);
}

/// What came through a pipe so far.
fn piped(mut pipe: &mut tokio::io::DuplexStream) -> Vec<u8> {
    let mut bytes = [0; 1000];
    let mut read = tokio::io::ReadBuf::new(&mut bytes);
    let polled = tokio::io::AsyncRead::poll_read(
        Pin::new(&mut pipe),
        &mut Context::from_waker(Waker::noop()),
        &mut read,
    );
    assert!(polled.is_pending() || matches!(polled, Poll::Ready(Ok(()))));
    read.filled().to_vec()
}

fn bytes(frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.put(&mut bytes);
    bytes
}

#[test]
fn what_somebody_waits_for_is_written_at_once_where_the_task_sleeps() {
    let outbox = Outbox::new(1 << 20, 1 << 20);
    let (near, mut far) = tokio::io::duplex(20);
    let (mut sink, mut signals, mut segments) = (Some(Box::new(near) as Sink), Vec::new(), Vec::new());
    // The task is at work: it goes the usual way.
    outbox.push_now(&send(b"0"), 1).unwrap();
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Some);
    assert_eq!(segments, [bytes(&send(b"0"))]);
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Nothing);
    assert!(sink.is_none());
    for payload in [b"1", b"2"] {
        outbox.push_now(&send(payload), 1).unwrap();
        assert_eq!(piped(&mut far), bytes(&send(payload)));
    }
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Nothing);
    // What does not fit goes before all that comes later.
    outbox.push_now(&send(b"twelve bytes"), 12).unwrap();
    outbox.push_now(&send(b"3"), 1).unwrap();
    assert!(outbox.signal(&Frame::Ping { nonce: 7 }));
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Some);
    let first = piped(&mut far);
    assert_eq!((first.len(), segments.len()), (20, 0));
    assert_eq!([first, signals.clone()].concat(), bytes(&send(b"twelve bytes")));
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Some);
    assert_eq!((&signals, &segments[0]), (&bytes(&Frame::Ping { nonce: 7 }), &bytes(&send(b"3"))));
    assert_eq!(outbox.take(&mut sink, &mut signals, &mut segments), Taken::Nothing);
    // It is paid for like any.
    let cost = super::super::credit::cost;
    assert_eq!(outbox.confirm(4 * cost(1) + cost(12), 5), Ok(()));
    assert_eq!(outbox.confirm(4 * cost(1) + cost(12) + 1, 5), Err(Malformed::Credit));
}

#[test]
fn what_comes_while_the_sink_is_borrowed_is_left_to_the_task() {
    let outbox = Outbox::new(1 << 20, 1 << 20);
    let (mut task, mut signals, mut segments) = (Some(sink()), Vec::new(), Vec::new());
    let rings = || {
        let mut notified = std::pin::pin!(outbox.bell().notified());
        notified.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    };
    assert_eq!(outbox.take(&mut task, &mut signals, &mut segments), Taken::Nothing);
    let borrow = || {
        let mut state = outbox.state.lock();
        state.idle = false;
        state.sink.take().unwrap()
    };
    let borrowed = borrow();
    assert_eq!(outbox.take(&mut task, &mut signals, &mut segments), Taken::Nothing);
    outbox.push(&send(b"1"), 1).unwrap();
    outbox.push_now(&send(b"2"), 1).unwrap();
    assert_eq!(outbox.take(&mut task, &mut signals, &mut segments), Taken::Nothing);
    assert!(!rings());
    outbox.bring_back(borrowed, Vec::new(), true);
    assert!(rings() && !rings());
    assert_eq!(outbox.take(&mut task, &mut signals, &mut segments), Taken::Some);
    assert_eq!(segments.concat(), [bytes(&send(b"1")), bytes(&send(b"2"))].concat());
    assert_eq!(outbox.take(&mut task, &mut signals, &mut segments), Taken::Nothing);

    // A borrower that could not flush, and one that comes back after the end.
    outbox.bring_back(borrow(), Vec::new(), false);
    assert!(rings());
    assert_eq!(outbox.take(&mut task, &mut signals, &mut segments), Taken::Some);
    assert!(signals.is_empty() && segments.is_empty());
    assert_eq!(outbox.take(&mut task, &mut signals, &mut segments), Taken::Nothing);
    let borrowed = borrow();
    outbox.close();
    outbox.bring_back(borrowed, Vec::new(), true);
    assert!(rings());
    assert_eq!(outbox.take(&mut task, &mut signals, &mut segments), Taken::Over);
    assert!(task.is_some(), "the task closes it");
    outbox.bring_back(task.take().unwrap(), Vec::new(), true);
    let borrowed = borrow();
    outbox.abandon();
    outbox.bring_back(borrowed, Vec::new(), true);
    assert!(outbox.state.lock().sink.is_none(), "nobody has it any more");
}
