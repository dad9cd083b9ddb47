"""What tests share: small builds, models, repositories, a Hub on loopback."""
