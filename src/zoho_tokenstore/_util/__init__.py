"""Clock, forks, deadlines, files, locks, caches, URLs: what every part may use."""
