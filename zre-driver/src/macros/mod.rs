//! The methods that all adapters share, with their documentation.
//!
//! Each adapter has types of its own, so that a page of its documentation shows every method. The
//! macros here are expanded in the adapter's crate, which has `zre_driver::api::*` in scope.

mod async_node;
mod at_once;
mod builder;
mod requests;
