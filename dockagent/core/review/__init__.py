"""Review without cherry-picking: the catalogue and the sample that anyone redraws."""
