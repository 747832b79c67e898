"""The learners: one algorithm, one file, one final class under the name the field knows it by."""
