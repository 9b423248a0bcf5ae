"""What earlier releases left in Kafka, as bytes, and how to record it again (`record`)."""
