"""The page on which a person says what the doubtful characters of a folder are."""
