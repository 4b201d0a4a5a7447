-- One row per trigger, with the first reason of its own that speaks against a mail (NULL: none does).
with

triggers as (
    select * from {{ ref('int_mailout_triggers') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

learners as (
    select * from {{ ref('learners') }}
),

learner_progress as (
    select * from {{ ref('learner_progress') }}
),

opted_out_addresses as (
    select * from {{ ref('int_mailout_opted_out_addresses') }}
),

bounced as (
    select * from {{ source('mailing', 'bounced') }}
),

email_preferences as (
    select * from {{ ref('stg_edx__email_preferences') }}
),

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

mails_had as (
    select * from {{ ref('int_mailout_mails_had') }}
),

-- without an opt-in list nobody is left out for not being in one
opt_in_lists as (
    select count(*) > 0 as are_there
    from report_files
    where report_kind = 'email_opt_in' and status = 'used'
),

final as (
    select
        triggers.student_id,
        triggers.trigger_course,
        case
            when learner_progress.certificates_to_go = 0
                then 'whole series certified'
            when not triggers.is_certified and triggers.has_certificate
                then 'already certified'
            when learners.is_retired
                then 'retired account'
            when {{ has_left('triggers.enrollment_status') }}
                then 'unenrolled'
            when
                this_program.certificate_mail = 'delivered'
                and triggers.is_certified
                and not triggers.is_certificate_delivered
                then 'certificate not delivered'
            when
                not triggers.is_certified
                and triggers.trigger_course_open_until < this_program.as_of
                then 'upgrade deadline passed'
            when not {{ is_mail_address('learners.email') }}
                then 'no valid address'
            -- of the address that the newest report has: with another one, the learner is written to again
            when bounced.email is not null
                then 'address bounced'
            when opted_out_addresses.email is not null
                then 'unsubscribed'
            when
                opt_in_lists.are_there
                and not coalesce(email_preferences.is_opted_in_for_email, false)
                then 'not opted in'
            when mails_had.had_this_mail
                then 'already mailed'
        end as excluded_reason
    from triggers
    cross join this_program
    cross join opt_in_lists
    inner join learners on triggers.student_id = learners.student_id
    inner join learner_progress on triggers.student_id = learner_progress.student_id
    left join bounced on lower(trim(learners.email)) = bounced.email
    left join opted_out_addresses on lower(trim(learners.email)) = opted_out_addresses.email
    left join email_preferences on lower(trim(learners.email)) = email_preferences.email
    left join mails_had
        on
            triggers.student_id = mails_had.student_id
            and triggers.trigger_course = mails_had.trigger_course
)

select * from final
