//! ansible.
