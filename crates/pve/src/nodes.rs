//! `/nodes/{node}`: what one node tells.

pub mod guest;
pub mod reach;
pub mod version;
