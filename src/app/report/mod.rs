//! What people look at: pictures, tables, progress. Reads only what it is handed, such as what the trainer tells
//! ([`crate::train::event`]); nothing here knows the GPU.

pub mod advice;
pub mod confusion;
pub(in crate::app) mod font;
pub mod grid;
pub mod interval;
pub mod plot;
pub mod png;
pub mod progress;
pub mod sheet;
pub mod table;
