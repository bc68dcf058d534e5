//! Proxmox VE from the outside: its API, its tasks, and plans that change it.
//!
//! The crate has a read side, [`Cluster`], and one place that writes,
//! [`apply`](apply::apply). Between the two stands the [`Plan`]: data that says what
//! is to be done. Nothing here knows of Ansible.

pub mod access;
pub mod apply;
pub mod call;
pub mod canned;
pub mod client;
pub mod cluster;
pub mod connection;
pub mod diagnose;
pub mod error;
pub mod guests;
pub mod nodes;
pub mod plan;
pub mod pools;
pub mod storage;
mod task;
pub mod texts;
pub mod transport;
pub mod upid;
pub mod wire;

pub use apply::{Applied, apply};
pub use call::{Call, Param, Path, Segment, Verb};
pub use client::Client;
pub use cluster::Cluster;
pub use error::{Error, Refusal, Unreached};
pub use plan::{Plan, Planned, Step, Track};
pub use upid::Upid;
