"""What planners know ahead: a concert, roadworks, a closed neighbour; fed to the models as input."""
