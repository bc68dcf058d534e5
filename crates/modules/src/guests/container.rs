//! What the module `proxmox` is made of: what is wanted of a container, and the
//! plan for each state.

pub mod anew;
pub mod clone;
pub mod gone;
pub mod interface;
pub mod new;
pub mod present;
mod rights;
mod schema;
pub mod subject;
pub mod switch;
pub mod volume;
pub mod wanted;
