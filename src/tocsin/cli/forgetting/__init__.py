"""What `tocsin forget` does in each place that keeps something: what is asked for goes in, what went leaves."""
