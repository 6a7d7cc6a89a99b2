//! Hot: the functions JavaScript calls per message, per actor or per batch.

use std::rc::Rc;
use std::time::Duration;

use iris_core::{AskOptions, Error, ErrorKind, Flow, Payload, Pid, Refusal, SendError, SpawnOptions};

use crate::host::Event;
use crate::makers;
use crate::raw::{self, Arguments, Function, Value};
use crate::state::State;

const UNDEFINED: Value = std::ptr::null_mut();

/// What a send tells where it was not simply accepted.
#[repr(i32)]
enum Sent {
    Refused = 0,
    /// The caller must schedule a drain.
    AcceptedSchedule = 1,
    /// As above; the message itself was refused, what happened to it made work.
    RefusedSchedule = 2,
}

/// `send(pid, view) => undefined | Sent`
pub(crate) struct Send;

impl Function for Send {
    const ARGUMENTS: usize = 2;

    #[inline]
    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let bytes = arguments.view(1)?;
        let Some(pid) = arguments.pid(0) else { return refuse_no_pid(arguments) };
        Ok(send(state, arguments, pid, Payload::copy_from(bytes)))
    }
}

/// `sendOther(pid, data) => undefined | Sent`: data that is no view, such as a string.
pub(crate) struct SendOther;

impl Function for SendOther {
    const ARGUMENTS: usize = 2;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let payload = arguments.payload(1)?;
        let Some(pid) = arguments.pid(0) else { return refuse_no_pid(arguments) };
        Ok(send(state, arguments, pid, payload))
    }
}

#[inline]
fn send(state: &State, arguments: &Arguments<'_>, pid: Pid, payload: Payload) -> Value {
    let (sent, schedule) = state.host.while_sending(|| state.runtime.try_send(pid, payload));
    match sent {
        Ok(()) if !schedule => UNDEFINED,
        Ok(()) => raw::integer(arguments.env, Sent::AcceptedSchedule as i32),
        Err(refused) => refuse(state, arguments, pid, refused, schedule),
    }
}

/// A number that no actor has is that of nobody; anything else is a mistake.
#[cold]
fn refuse_no_pid(arguments: &Arguments<'_>) -> Result<Value, Error> {
    arguments.check_number(0, "pid")?;
    Ok(raw::integer(arguments.env, Sent::Refused as i32))
}

/// What is told of a refusal. This thread waits for no room: a message that would have to is counted as refused.
#[cold]
fn refuse(state: &State, arguments: &Arguments<'_>, pid: Pid, refused: SendError, schedule: bool) -> Value {
    let mut schedule = schedule;
    if refused.refusal == Refusal::WouldBlock {
        let (given_up, told) = state.host.while_sending(|| state.runtime.give_up(pid, refused.payload));
        drop(given_up);
        schedule |= told;
    }
    let sent = if schedule { Sent::RefusedSchedule } else { Sent::Refused };
    raw::integer(arguments.env, sent as i32)
}

/// `offer(pid, data) => undefined | Sent`: as `send`, for a caller that waits for room: what finds none is not counted. Throws for a
/// message that no room is ever enough for.
pub(crate) struct Offer;

impl Function for Offer {
    const ARGUMENTS: usize = 2;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let payload = arguments.payload(1)?;
        let Some(pid) = arguments.pid(0) else { return refuse_no_pid(arguments) };
        let (offered, schedule) = state.host.while_sending(|| state.runtime.offer(pid, payload));
        let sent = match (offered, schedule) {
            (Ok(()), false) => return Ok(UNDEFINED),
            (Ok(()), true) => Sent::AcceptedSchedule,
            (Err(refused), schedule) if refused.refusal == Refusal::TooLarge => {
                if schedule {
                    // What is thrown says nothing of the drain, which is due: somebody was told of the dead letter.
                    state.host.ring();
                }
                return Err(Error::too_large(pid, refused.payload.len()));
            }
            (Err(_), false) => Sent::Refused,
            (Err(_), true) => Sent::RefusedSchedule,
        };
        Ok(raw::integer(arguments.env, sent as i32))
    }
}

/// `spawn(slot, budget) => pid`
pub(crate) struct Spawn;

impl Function for Spawn {
    const ARGUMENTS: usize = 2;

    #[inline]
    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let behaviour = state.slots.borrow_mut().behaviour(arguments.index(0), &state.host);
        let options =
            SpawnOptions { budget: arguments.index(1), lane: state.lane.id(), ..SpawnOptions::default() };
        let pid = state.runtime.spawn_shared(behaviour, options)?;
        Ok(raw::number(arguments.env, raw::number_of(pid)))
    }
}

/// `fill() => boolean`: ends the batch before and fills the frame anew; false: nothing to do, go to sleep.
pub(crate) struct Fill;

impl Function for Fill {
    const ARGUMENTS: usize = 0;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let Ok(mut batch) = state.batch.try_borrow_mut() else {
            return Ok(raw::boolean(arguments.env, false));
        };
        let more = state.is_open() && makers::while_stepping(state, || batch.fill(state));
        Ok(raw::boolean(arguments.env, more))
    }
}

/// `settle(turn, handled)`: the batch ends here; what was not handled goes back.
pub(crate) struct Settle;

impl Function for Settle {
    const ARGUMENTS: usize = 2;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let (turn, handled) = (arguments.index(0) as usize, arguments.index(1) as usize);
        state.batch.borrow_mut().settle(turn, handled);
        Ok(UNDEFINED)
    }
}

/// `interrupt(turn, handled) => boolean`: true: this turn is over, as a signal goes before its next message.
pub(crate) struct Interrupt;

impl Function for Interrupt {
    const ARGUMENTS: usize = 2;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let (turn, handled) = (arguments.index(0) as usize, arguments.index(1) as usize);
        let interrupted = state.batch.borrow_mut().interrupt(turn, handled);
        Ok(raw::boolean(arguments.env, interrupted))
    }
}

/// `crash(turn, message, failure)`: a handler threw.
pub(crate) struct Crash;

impl Function for Crash {
    const ARGUMENTS: usize = 3;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let (turn, message) = (arguments.index(0) as usize, arguments.index(1) as usize);
        state.batch.borrow_mut().crash(turn, message, arguments.crash(2));
        Ok(UNDEFINED)
    }
}

/// `suspend(turn, message) => token`: a handler returned a promise.
pub(crate) struct Suspend;

impl Function for Suspend {
    const ARGUMENTS: usize = 2;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let (turn, message) = (arguments.index(0) as usize, arguments.index(1) as usize);
        let token = state.batch.borrow_mut().suspend(state, turn, message);
        Ok(raw::number(arguments.env, token.map_or(f64::NAN, f64::from)))
    }
}

/// `answer(turn, message, data)`: what a handler returned for an ask.
pub(crate) struct Answer;

impl Function for Answer {
    const ARGUMENTS: usize = 3;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let (turn, message) = (arguments.index(0) as usize, arguments.index(1) as usize);
        let payload = arguments.payload(2)?;
        let reply = state.batch.borrow_mut().reply(turn, message);
        if let Some(reply) = reply {
            reply.send(payload);
        }
        Ok(UNDEFINED)
    }
}

/// `refuse(turn, message, failure)`: what a handler returned for an ask is no answer.
pub(crate) struct Refuse;

impl Function for Refuse {
    const ARGUMENTS: usize = 3;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let (turn, message) = (arguments.index(0) as usize, arguments.index(1) as usize);
        let reply = state.batch.borrow_mut().reply(turn, message);
        if let Some(reply) = reply {
            reply.fail(arguments.failure(2));
        }
        Ok(UNDEFINED)
    }
}

/// `resume(token, data?)`: the promise of a handler was fulfilled; the data answer the message if it was an ask.
pub(crate) struct Resume;

impl Function for Resume {
    const ARGUMENTS: usize = 2;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let payload = arguments.payload(1);
        let suspended = state.suspended.borrow_mut().take(arguments.index(0));
        let Some(suspended) = suspended else { return Ok(UNDEFINED) };
        match (suspended.reply, payload) {
            (Some(reply), Ok(payload)) => reply.send(payload),
            (Some(reply), Err(error)) => reply.fail(iris_core::Failure::new("TypeError", error.message())),
            (None, _) => {}
        }
        let (suspension, host) = (suspended.suspension, &state.host);
        let ((), schedule) = host.while_sending(|| suspension.resume(Flow::Continue));
        Ok(raw::boolean(arguments.env, schedule))
    }
}

/// `resumeCrashed(token, failure) => crashed`: the promise of a handler was rejected; false: after its actor's end.
pub(crate) struct ResumeCrashed;

impl Function for ResumeCrashed {
    const ARGUMENTS: usize = 2;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let suspended = state.suspended.borrow_mut().take(arguments.index(0));
        let Some(suspended) = suspended else { return Ok(raw::boolean(arguments.env, false)) };
        if let Some(reply) = suspended.reply {
            reply.fail(arguments.failure(1));
        }
        let crashed = state.runtime.is_alive(suspended.suspension.pid());
        suspended.suspension.resume(Flow::Stop(arguments.crash(1)));
        Ok(raw::boolean(arguments.env, crashed))
    }
}

/// `ask(pid, data, seconds, number) => schedule`: the answer comes as an event with the number.
pub(crate) struct Ask;

impl Function for Ask {
    const ARGUMENTS: usize = 4;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let payload = arguments.payload(1)?;
        let number = arguments.index(3);
        let seconds = arguments.number(2);
        let pid = arguments.pid(0).ok_or_else(|| Error::no_process(arguments.number(0)))?;
        let timeout = Duration::try_from_secs_f64(seconds).ok();
        let host = std::sync::Arc::clone(&state.host);
        let completion = Box::new(move |result| host.post(Event::Answered { ask: number, result }));
        let options = AskOptions { timeout, context: None };
        let (handle, schedule) =
            state.host.while_sending(|| state.runtime.ask_with(pid, payload, options, completion));
        let mut asks = state.asks.borrow_mut();
        let index = number as usize;
        if index >= asks.len() {
            asks.resize_with(index + 1, || None);
        }
        asks[index] = Some(handle);
        Ok(raw::boolean(arguments.env, schedule))
    }
}

/// `cancelAsk(number)`: nobody waits for the answer any more; true: no event comes.
pub(crate) struct CancelAsk;

impl Function for CancelAsk {
    const ARGUMENTS: usize = 1;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let handle = state.asks.borrow_mut().get_mut(arguments.index(0) as usize).and_then(Option::take);
        let cancelled = handle.is_some_and(|handle| handle.cancel());
        Ok(raw::boolean(arguments.env, cancelled))
    }
}

/// `askError(number) => "kind\0message"`
pub(crate) struct AskError;

impl Function for AskError {
    const ARGUMENTS: usize = 1;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let error = state.errors.borrow_mut().take(arguments.index(0));
        let error = error.unwrap_or_else(|| Error::new(ErrorKind::AskFailed, "the ask failed"));
        Ok(raw::text(arguments.env, &format!("{}\0{}", error.kind().name(), error.message())))
    }
}

/// `receive(mailbox) => Found`
pub(crate) struct Receive;

impl Function for Receive {
    const ARGUMENTS: usize = 1;

    #[inline]
    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let found = state.mail.borrow_mut().receive(state, arguments.index(0));
        Ok(raw::integer(arguments.env, found as i32))
    }
}

/// `isStopped(mailbox) => boolean`: whether a pull actor was told to stop, or to begin anew.
pub(crate) struct IsStopped;

impl Function for IsStopped {
    const ARGUMENTS: usize = 1;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let stopped = state.mail.borrow_mut().is_stopped(&state.host, arguments.index(0));
        Ok(raw::boolean(arguments.env, stopped))
    }
}

/// `isFree(slot) => boolean`: whether no actor has the handler in this slot any more, when it is asked.
pub(crate) struct IsFree;

impl Function for IsFree {
    const ARGUMENTS: usize = 1;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let free = state.slots.borrow_mut().is_free(arguments.index(0));
        Ok(raw::boolean(arguments.env, free))
    }
}

/// `reply(mailbox, number, data) => boolean`: answers an ask that a pull actor received.
pub(crate) struct Reply;

impl Function for Reply {
    const ARGUMENTS: usize = 3;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let payload = arguments.payload(2)?;
        let reply = state.mail.borrow_mut().take_reply(arguments.index(0), arguments.index(1));
        let awaited = reply.as_ref().is_some_and(iris_core::Reply::is_awaited);
        if let Some(reply) = reply {
            reply.send(payload);
        }
        Ok(raw::boolean(arguments.env, awaited))
    }
}

/// `stop(pid) => boolean`
pub(crate) struct Stop;

impl Function for Stop {
    const ARGUMENTS: usize = 1;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let stopped = arguments.pid(0).is_some_and(|pid| state.runtime.stop(pid));
        Ok(raw::boolean(arguments.env, stopped))
    }
}

/// `isAlive(pid) => boolean`
pub(crate) struct IsAlive;

impl Function for IsAlive {
    const ARGUMENTS: usize = 1;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let alive = arguments.pid(0).is_some_and(|pid| state.runtime.is_alive(pid));
        Ok(raw::boolean(arguments.env, alive))
    }
}

/// `sendAfter(pid, milliseconds, data) => timer`
pub(crate) struct SendAfter;

impl Function for SendAfter {
    const ARGUMENTS: usize = 3;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let payload = arguments.payload(2)?;
        let pid = arguments.pid(0).ok_or_else(|| Error::no_process(arguments.number(0)))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked in js/arguments.js"
        )]
        let timer = state.runtime.send_after(pid, arguments.number(1) as u64, payload)?;
        Ok(raw::number(arguments.env, raw::id_number(timer)))
    }
}

/// `cancelTimer(timer) => boolean`
pub(crate) struct CancelTimer;

impl Function for CancelTimer {
    const ARGUMENTS: usize = 1;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let timer = raw::id_of(arguments.number(0));
        let cancelled = timer.is_some_and(|timer| state.runtime.cancel_timer(timer));
        Ok(raw::boolean(arguments.env, cancelled))
    }
}

/// `mailboxSize(pid, turn, begun) => number`, negative where there is no such actor. Messages that are in the batch
/// and not begun count: JavaScript has begun so many of this turn.
pub(crate) struct MailboxSize;

impl Function for MailboxSize {
    const ARGUMENTS: usize = 3;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let pid = arguments.pid(0);
        let size = pid.and_then(|pid| Some((pid, state.runtime.mailbox_size(pid)?)));
        let Some((pid, queued)) = size else { return Ok(raw::number(arguments.env, -1.0)) };
        let held = state
            .batch
            .try_borrow()
            .map_or(0, |batch| batch.waiting(pid, arguments.index(1) as usize, arguments.index(2) as usize));
        #[expect(clippy::cast_precision_loss, reason = "a queue is shorter than 2^52")]
        Ok(raw::number(arguments.env, (queued + held) as f64))
    }
}

/// `turnPid(turn) => pid`, zero where there is none.
pub(crate) struct TurnPid;

impl Function for TurnPid {
    const ARGUMENTS: usize = 1;

    fn call(state: &Rc<State>, arguments: &Arguments<'_>) -> Result<Value, Error> {
        let pid = state.batch.try_borrow().ok().and_then(|batch| batch.pid(arguments.index(0) as usize));
        Ok(raw::number(arguments.env, pid.map_or(0.0, raw::number_of)))
    }
}
