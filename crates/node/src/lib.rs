//! The Node binding: actors of `iris-core` whose handlers are JavaScript functions, drained on the JavaScript thread.
//!
//! Read in this order: [`host`] (how other threads reach JavaScript), [`batch`] (how messages get there and what comes
//! back), [`mail`] (pull actors), [`hot`] (what JavaScript calls often), [`native`] (the rest). The JavaScript half is
//! js/*.js; js/frame.js shares its numbers with [`frame`].

mod raw;
mod shelf;
mod frame;
mod parcels;
mod host;
mod makers;
mod slots;
mod batch;
mod events;
mod mail;
mod state;
mod hot;
mod errors;
mod words;
mod native;
mod actors;
mod relations;
mod observed;
mod supervision;
mod inspect;
