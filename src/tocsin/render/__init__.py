"""What people read: an Event or a Notice goes in; text, HTML, terminal lines or the 500 page leave. No I/O."""
