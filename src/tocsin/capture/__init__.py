"""What is there at the moment of failure: exceptions, stacks, requests, records go in; parts of an Event leave."""
