/* burst.h: what is done before and after each turn of a burst, and at its end.  `pdc_turn` is one
   turn, and says how it ended. */

/* Whether a turn that ended so has happened; else nothing of it has. */
PDC_FN bool pdc_is_whole(i32 status) {
    return status == PDC_MORE || status == PDC_LEFT || status == PDC_RETURNED;
}

/* Before a turn: whether there is room for outputs.  Under DROP_OLDEST there always is, and they
   are published before their slots are used again. */
PDC_FN bool pdc_may_begin(pdc_sink &out) {
    if (out.policy == PDC_DROP_OLDEST) {
        if (PDC_PUBLISHES) {
            pdc_port_store(&out.port->head, out.produced);
            pdc_port_fence();
            out.floor = out.produced;
        }
        return true;
    }
    if (PDC_LIKELY(out.produced - out.floor <= out.bound)) return true;
    out.floor = pdc_port_load(&out.port->tail);
    return out.produced - out.floor <= out.bound;
}

/* A turn that has not happened: what it counted is taken back, and counted when it is tried again,
   here or by the interpreter.  Returns why the burst ends. */
PDC_FN i32 pdc_rollback(pdc_context *t, i32 status, u64 staged) {
    pdc_actor *const actor = t->actor;
    pdc_revert(t);
    actor->staged = (i32)staged;
    actor->rejected -= t->refused;
    if (t->timed_out) {
        actor->event = 1;
        actor->timeouts -= 1;
    }
    if (status != PDC_FAILED) return status;
    actor->code = t->error.code;
    actor->line = t->error.line;
    return t->error.code < PDC_FIRST_DEOPT ? PDC_FAILED
         : t->error.code == PDC_PREEMPT    ? PDC_PREEMPTED
         : t->error.code == PDC_STOP       ? PDC_STOPPED
         : t->error.code == PDC_NO_SLOT    ? PDC_GROW
         : t->error.code == PDC_NO_LOG     ? PDC_LOG_FULL
                                           : PDC_DEOPTIMISE;
}

/* After the last turn: tell the host.  Outputs with strings that the host makes are published by
   the host. */
PDC_FN i32 pdc_end_burst(pdc_actor *actor, const pdc_source &in, const pdc_sink &out, i32 status) {
    actor->sent += out.produced - actor->produced;
    actor->produced = out.produced;
    actor->status = status;
    pdc_port_store(&in.port->tail, in.tail);
    in.port->claimed = in.tail;
    const u64 visible = out.produced - out.floor > out.bound ? out.floor + out.bound : out.produced;
    /* what has been seen stays: the host shows all before it interprets a message */
    if (PDC_PUBLISHES && (i64)(visible - pdc_port_load(&out.port->head)) > 0)
        pdc_port_store(&out.port->head, visible);
    return status;
}
