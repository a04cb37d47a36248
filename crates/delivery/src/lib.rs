//! Git: the infrastructure repository, change sets and the sync loop.
