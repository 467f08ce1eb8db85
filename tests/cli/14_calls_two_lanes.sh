# The generator is resumed on the other lane at the tick of its suspend.
cptrace calls two_lanes.cptrace
