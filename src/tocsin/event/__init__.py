"""The vocabulary: what an event is, its bounds, its identity, its masking, its bytes. Pure, no I/O."""
