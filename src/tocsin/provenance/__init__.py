"""Where the code comes from: files beside it go in (`.git`, a build stamp); commit, links and a line's commit leave."""
