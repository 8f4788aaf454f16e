"""What toktrial is put through, one file a part: ../fault_campaign.py runs them."""
