"""Data quality: what a phone, an e-mail, a city is worth. Pure rules over well-kept libraries, one file each."""
