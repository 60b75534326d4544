//! A model as data: what a model file says ([`spec`]), reading it ([`parse`]), its shapes ([`shape`]) on
//! given data ([`infer`]) and a table of it ([`summary`]). Nothing here knows kernels or devices.

pub mod infer;
pub mod parse;
pub mod shape;
pub mod spec;
pub mod summary;
