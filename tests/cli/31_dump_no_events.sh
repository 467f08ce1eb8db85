cptrace dump --no-events two_lanes.cptrace | steady
