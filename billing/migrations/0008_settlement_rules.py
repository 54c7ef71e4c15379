"""
Sums of settlement: never more than was paid, credited or owed; what was booked stays.
"""

from django.db import migrations

# The rows are locked first, so that two allocations at once see each other's sums.
ALLOCATIONS = """
CREATE FUNCTION billing_allocation_sums() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE owed numeric; paid numeric; settled numeric; used numeric; state text; kind text;
BEGIN
  SELECT gross, status, document_type INTO owed, state, kind
    FROM billing_invoice WHERE id = NEW.invoice_id FOR NO KEY UPDATE;
  IF state <> 'issued' OR owed <= 0 THEN
    RAISE EXCEPTION 'document % is not one that is paid', NEW.invoice_id USING ERRCODE = '23514';
  END IF;
  SELECT coalesce(sum(amount), 0) INTO settled
    FROM billing_allocation WHERE invoice_id = NEW.invoice_id;
  IF settled + NEW.amount NOT BETWEEN 0 AND owed THEN
    RAISE EXCEPTION 'settled % of % on document %', settled + NEW.amount, owed, NEW.invoice_id
      USING ERRCODE = '23514';
  END IF;
  IF NEW.entry_id IS NOT NULL THEN
    SELECT amount INTO paid FROM billing_bankentry WHERE id = NEW.entry_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount), 0) INTO used
      FROM billing_allocation WHERE entry_id = NEW.entry_id;
  ELSE
    SELECT -gross INTO paid FROM billing_invoice
      WHERE id = NEW.credit_note_id AND status = 'issued' AND document_type = 'credit_note'
      FOR NO KEY UPDATE;
    IF paid IS NULL THEN
      RAISE EXCEPTION 'document % is no issued credit note', NEW.credit_note_id
        USING ERRCODE = '23514';
    END IF;
    SELECT coalesce(sum(amount), 0) INTO used
      FROM billing_allocation WHERE credit_note_id = NEW.credit_note_id;
  END IF;
  IF used + NEW.amount NOT BETWEEN least(paid, 0) AND greatest(paid, 0) THEN
    RAISE EXCEPTION 'allocated % of a payment of %', used + NEW.amount, paid
      USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER sums BEFORE INSERT ON billing_allocation
  FOR EACH ROW EXECUTE FUNCTION billing_allocation_sums();
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_allocation
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_bankentry
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_disputenote
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();

CREATE FUNCTION billing_dispute_within_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE the_net numeric; the_service tstzrange; the_rate numeric; state text;
BEGIN
  SELECT l.net, l.service, l.vat_rate, i.status INTO the_net, the_service, the_rate, state
    FROM billing_invoiceline l JOIN billing_invoice i ON i.id = l.invoice_id
    WHERE l.id = NEW.line_id;
  IF state <> 'issued' OR NEW.amount > round(the_net * (100 + the_rate) / 100, 2) THEN
    RAISE EXCEPTION 'a dispute of % is more than the line', NEW.amount USING ERRCODE = '23514';
  END IF;
  IF NEW.span IS NOT NULL AND NOT NEW.span <@ the_service THEN
    RAISE EXCEPTION 'the time in dispute is not the time of the line' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER within_line BEFORE INSERT ON billing_dispute
  FOR EACH ROW EXECUTE FUNCTION billing_dispute_within_line();
"""
DROPPED = """
DROP TRIGGER within_line ON billing_dispute; DROP FUNCTION billing_dispute_within_line();
DROP TRIGGER frozen ON billing_disputenote; DROP TRIGGER frozen ON billing_bankentry;
DROP TRIGGER frozen ON billing_allocation; DROP TRIGGER sums ON billing_allocation;
DROP FUNCTION billing_allocation_sums();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_settlement"), ("sites", "0002_rules")]

    operations = [migrations.RunSQL(ALLOCATIONS, DROPPED)]
