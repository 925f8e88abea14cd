"""A command and a moment into events and an answer.

lease     grant, refuse, or hold at a change of the quota day
refusals  why none, for how long, and the budget of refusals in the log
end       usages, and whom a verdict blames
upkeep    renewals, cancellations, deadlines, size, checkpoints
admin     what operators, provisioners and the configuration may change
bounds    what a command may bring into the log
decision  what deciding yields, and the one way in which it becomes state
"""
