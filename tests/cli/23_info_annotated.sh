cptrace info annotated.cptrace | steady
cptrace info --json annotated.cptrace | steady | grep -E '"(tasks|marks|counters|waiting_ns|omitted_calls|omitted_ns|recorder_cost_ns|calls)"'
