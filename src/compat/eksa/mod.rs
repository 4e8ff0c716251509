//! EKS Anywhere's `image-builder`: flags and JSON files.
