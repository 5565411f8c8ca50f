//! Events as lines of output: for programs ([`json`], [`gms::EventLine`]) and for people ([`words`]).

mod json;
mod words;

pub(crate) use json::{ServerLine, Tagged};
pub(crate) use words::{in_words, update_in_words, view_in_words};
