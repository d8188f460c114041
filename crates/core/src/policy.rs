//! The trait of the policy family.
