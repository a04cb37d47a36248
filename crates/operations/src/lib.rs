//! The use cases, each a journaled saga: create, get, render, delete.
