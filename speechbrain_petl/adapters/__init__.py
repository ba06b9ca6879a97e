"""The methods: pure torch, they know nothing of audio."""
