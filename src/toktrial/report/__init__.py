"""From the files of a trial to verdict, charts and page: the flow's last stage. Reads files alone."""
