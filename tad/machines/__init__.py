"""Starting the same command on other machines: in a pinned environment, in a container, through a cluster's queue."""
