"""
What of contracts only the database can promise: whom and what a contract is about belong together,
an ended one stays ended, attributes are billed once, and a rebased index keeps its links.
"""

from django.db import migrations

TOGETHER = """
CREATE FUNCTION billing_contract_together() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM sites_site WHERE id = NEW.site_id AND operator_id = NEW.operator_id)
     OR (NEW.delivery_point_id IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM sites_deliverypoint WHERE id = NEW.delivery_point_id
         AND site_id = NEW.site_id AND partner_id = NEW.customer_id))
     OR (NEW.hosting_service_id IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM sites_hostingservice WHERE id = NEW.hosting_service_id
         AND site_id = NEW.site_id AND tenant_id = NEW.customer_id)) THEN
    RAISE EXCEPTION 'operator, site, customer and subject of contract % do not belong together',
      NEW.reference USING ERRCODE = '23514', CONSTRAINT = 'a_contract_is_of_one_place';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER together BEFORE INSERT OR UPDATE OF operator_id, site_id, customer_id,
  delivery_point_id, hosting_service_id ON billing_contract
  FOR EACH ROW EXECUTE FUNCTION billing_contract_together();

CREATE FUNCTION billing_contract_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'contract % has ended', OLD.reference
    USING ERRCODE = '23514', CONSTRAINT = 'an_ended_contract_stays_ended';
END $$;
CREATE TRIGGER ended BEFORE UPDATE OF status ON billing_contract FOR EACH ROW
  WHEN (OLD.status = 'ended' AND NEW.status <> 'ended')
  EXECUTE FUNCTION billing_contract_ended();
"""
NOT_TOGETHER = """
DROP TRIGGER ended ON billing_contract;
DROP FUNCTION billing_contract_ended();
DROP TRIGGER together ON billing_contract;
DROP FUNCTION billing_contract_together();
"""

# Whoever bills from a lot or takes an allocation of it back waits here for the other, so that the
# sums are taken of what is committed.
ATTRIBUTES = """
CREATE FUNCTION billing_attributes_within(a_lot bigint, a_service bigint, a_month date)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE billed numeric; held numeric;
BEGIN
  PERFORM 1 FROM telemetry_attributelot WHERE id = a_lot FOR NO KEY UPDATE;
  SELECT coalesce(sum(u.kwh), 0) INTO billed
  FROM billing_attributeuse u
  JOIN billing_invoiceline l ON l.id = u.line_id
  JOIN billing_invoice i ON i.id = l.invoice_id
  WHERE u.lot_id = a_lot AND u.service_id = a_service AND u.month = a_month
    AND i.status <> 'void'
    AND NOT EXISTS (SELECT 1 FROM billing_invoiceline r WHERE r.reverses_id = l.id);
  IF billed = 0 THEN
    RETURN;
  END IF;
  SELECT coalesce(sum(kwh), 0) INTO held FROM telemetry_attributeallocation
  WHERE lot_id = a_lot AND service_id = a_service AND month = a_month AND ended_at IS NULL;
  IF billed > held THEN
    RAISE EXCEPTION '% kWh of lot % are billed for %, but % are allocated', billed, a_lot,
      to_char(a_month, 'YYYY-MM'), held
      USING ERRCODE = '23514', CONSTRAINT = 'attributes_are_billed_once';
  END IF;
END $$;

CREATE FUNCTION billing_attribute_used() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM billing_attributes_within(NEW.lot_id, NEW.service_id, NEW.month);
  RETURN NULL;
END $$;
CREATE TRIGGER within_allocation AFTER INSERT OR UPDATE ON billing_attributeuse
  FOR EACH ROW EXECUTE FUNCTION billing_attribute_used();
CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON billing_attributeuse
  FOR EACH ROW EXECUTE FUNCTION billing_frozen_part();

CREATE FUNCTION billing_allocation_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.service_id IS NOT NULL THEN
    PERFORM billing_attributes_within(OLD.lot_id, OLD.service_id, OLD.month);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER billed_allocation AFTER UPDATE OR DELETE ON telemetry_attributeallocation
  FOR EACH ROW EXECUTE FUNCTION billing_allocation_ended();

CREATE FUNCTION billing_attributes_at_issue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM billing_invoiceline l
    WHERE l.invoice_id = NEW.id AND l.charge = 'attribute' AND l.reverses_id IS NULL
      AND l.quantity <> (
        SELECT coalesce(sum(u.kwh), 0) FROM billing_attributeuse u WHERE u.line_id = l.id)
  ) THEN
    RAISE EXCEPTION 'invoice % bills attributes without naming the lots that cover them', NEW.id
      USING ERRCODE = '23514', CONSTRAINT = 'billed_attributes_name_their_lots';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER attributes_at_issue BEFORE UPDATE ON billing_invoice FOR EACH ROW
  WHEN (NEW.status = 'issued' AND OLD.status <> 'issued')
  EXECUTE FUNCTION billing_attributes_at_issue();
"""
NO_ATTRIBUTES = """
DROP TRIGGER attributes_at_issue ON billing_invoice;
DROP FUNCTION billing_attributes_at_issue();
DROP TRIGGER billed_allocation ON telemetry_attributeallocation;
DROP FUNCTION billing_allocation_ended();
DROP TRIGGER frozen ON billing_attributeuse;
DROP TRIGGER within_allocation ON billing_attributeuse;
DROP FUNCTION billing_attribute_used();
DROP FUNCTION billing_attributes_within(bigint, bigint, date);
"""

BASES = """
CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON billing_indexbasis
  FOR EACH ROW EXECUTE FUNCTION sites_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_contract_life"), ("telemetry", "0018_claimed_once")]

    operations = [
        migrations.RunSQL(TOGETHER, NOT_TOGETHER),
        migrations.RunSQL(ATTRIBUTES, NO_ATTRIBUTES),
        migrations.RunSQL(BASES, "DROP TRIGGER frozen ON billing_indexbasis;"),
    ]
