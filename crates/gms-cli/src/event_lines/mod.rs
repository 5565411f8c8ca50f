//! Events as lines of output: for programs ([`json`]) and for people ([`words`]).

mod json;
mod words;

pub(crate) use json::{EventLine, Tagged};
pub(crate) use words::{in_words, view_in_words};
