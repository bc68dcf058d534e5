//! ansible-derive.
