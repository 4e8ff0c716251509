//! What becomes of an image in Amazon's cloud.
pub mod marketplace;
