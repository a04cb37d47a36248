//! The platform's vocabulary: resource types, names, labels, annotations, validation, conditions.
