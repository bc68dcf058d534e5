//! Proxmox VE from the outside: its API, its tasks, and plans that change it.
//!
//! The crate has a read side, [`Cluster`], and one place that writes,
//! [`apply`](apply::apply). Between the two stands the [`Plan`](plan::Plan): data that says what
//! is to be done. Nothing here knows of Ansible.

pub mod call;
pub mod error;
pub mod texts;
pub mod transport;
pub mod upid;

pub use call::{Call, Param, Path, Segment, Verb};
pub use error::{Error, Refusal, Unreached};
pub use upid::Upid;
