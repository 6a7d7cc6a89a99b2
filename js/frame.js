// Frame: the numbers of the words shared with the native side; crates/node/src/frame.rs, parcels.rs and events.rs have the same.
'use strict'

const EVENTS_MAX = 512
const EVENT_WORDS = 4
const FIRST_EVENT = 8

module.exports = {
  // Words
  EVENTS: 0,
  TURNS: 1,
  INTERRUPTS: 2,
  RECEIVED: 3,
  FIRST_EVENT,
  EVENT_WORDS,
  FIRST_TURN: FIRST_EVENT + EVENTS_MAX * EVENT_WORDS,
  // Flags of a size, and the smallest number that has one
  NEXT_SLAB: 0x8000_0000,
  OWN_PART: 0x4000_0000,
  WANTS_REPLY: 0x2000_0000,
  LENGTH: 0x1fff_ffff,
  FLAGGED: 0x2000_0000,
  // Kinds of events
  ANSWERED: 1,
  FAILED: 2,
  EXITED: 3,
  MAIL: 4,
  OBSERVED: 5,
  START: 6,
  FACTORY_GONE: 7,
  SLOT_FREE: 8,
  EMPTY: 9,
  CLOSED: 10,
  FUNCTION_FREE: 11,
  GAVE_UP: 12,
  LINES: 13,
  // What a send came to, where it was not simply accepted
  REFUSED: 0,
  ACCEPTED_SCHEDULE: 1,
  REFUSED_SCHEDULE: 2,
  // What a look into a mailbox found
  NOTHING: 0,
  MESSAGE: 1,
  STOPPED: 2,
  NOTICE: 3,
  // What became of a pull actor
  ENDED: 0,
  RESTARTED: 1,
  SWAPPED: 2,
  WAITING: 3,
}
