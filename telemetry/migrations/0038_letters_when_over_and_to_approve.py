import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# Nobody is told of an edit of their own: they could not approve it.
NOT_THE_AUTHOR = """
CREATE FUNCTION telemetry_approval_not_by_author() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM telemetry_decision d
      WHERE d.id = NEW.decision_id AND d.proposed_by_id = NEW.user_id) THEN
    RAISE EXCEPTION 'who proposed an edit is not asked to approve it' USING ERRCODE = '23514';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER not_the_author BEFORE INSERT OR UPDATE ON telemetry_approvalnotice
  FOR EACH ROW EXECUTE FUNCTION telemetry_approval_not_by_author();
"""
NOT_THE_AUTHOR_BACK = """
DROP TRIGGER not_the_author ON telemetry_approvalnotice;
DROP FUNCTION telemetry_approval_not_by_author();
"""

# What was over long ago is no news.
TOLD = """
INSERT INTO telemetry_alarmnotice (alarm_id, contact_id, letter_id, is_over)
SELECT n.alarm_id, n.contact_id, n.letter_id, true
FROM telemetry_alarmnotice n JOIN telemetry_alarm a ON a.id = n.alarm_id
WHERE a.state = 'resolved';
"""
UNTOLD = "DELETE FROM telemetry_alarmnotice WHERE is_over;"


class Migration(migrations.Migration):

    dependencies = [
        ('sites', '0006_public_consent'),
        ('telemetry', '0037_zone_stays'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ApprovalLetter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('made_at', models.DateTimeField()),
                ('taken_at', models.DateTimeField(blank=True, null=True)),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('problem', models.CharField(blank=True, max_length=200)),
                ('slot', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='ApprovalNotice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='alarmnotice',
            name='a_contact_is_told_once_of_an_alarm',
        ),
        migrations.AddField(
            model_name='alarmnotice',
            name='is_over',
            field=models.BooleanField(default=False),
        ),
        migrations.AddIndex(
            model_name='alarm',
            index=models.Index(condition=models.Q(('resolved_at__isnull', False), ('resolved_by__isnull', True)), fields=['resolved_at'], name='alarms_over_by_themselves'),
        ),
        migrations.AddConstraint(
            model_name='alarmnotice',
            constraint=models.UniqueConstraint(fields=('alarm', 'contact', 'is_over'), name='a_contact_is_told_once_of_an_alarm'),
        ),
        migrations.AddField(
            model_name='approvalletter',
            name='operator',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approval_letters', to='sites.stakeholder'),
        ),
        migrations.AddField(
            model_name='approvalletter',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approval_letters', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='approvalnotice',
            name='decision',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approval_notices', to='telemetry.decision'),
        ),
        migrations.AddField(
            model_name='approvalnotice',
            name='letter',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notices', to='telemetry.approvalletter'),
        ),
        migrations.AddField(
            model_name='approvalnotice',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approval_notices', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='approvalletter',
            index=models.Index(condition=models.Q(('sent_at', None)), fields=['made_at'], name='approval_letters_to_send'),
        ),
        migrations.AddConstraint(
            model_name='approvalletter',
            constraint=models.UniqueConstraint(fields=('user', 'operator', 'slot'), name='one_approval_letter_per_person_and_slot'),
        ),
        migrations.AddConstraint(
            model_name='approvalnotice',
            constraint=models.UniqueConstraint(fields=('decision', 'user'), name='a_person_is_told_once_of_an_edit'),
        ),
        migrations.RunSQL(TOLD, UNTOLD),
        migrations.RunSQL(NOT_THE_AUTHOR, NOT_THE_AUTHOR_BACK),
    ]
