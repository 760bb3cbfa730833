//! Federated rounds: collaborators, the aggregator, and every byte between them.
