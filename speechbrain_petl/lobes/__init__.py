"""What knows audio: encoders, filterbank, pooling, augmentation."""
