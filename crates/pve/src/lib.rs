//! pve.
