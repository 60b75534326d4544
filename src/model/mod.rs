//! A model as data: what a model file says ([`spec`]), reading it ([`parse`]), its shapes ([`shape`]) on
//! given data ([`infer`]) and a table of it ([`summary`]). What a layer is stands in [`crate::layers`].

pub mod infer;
pub mod parse;
pub mod shape;
pub mod spec;
pub mod summary;
